"""One page of results: what studies, evaluations and a chip have to show, in a file that works offline.

    folders, files, results --> reading: found, told apart, read back (plain) as the records of studies --+
    chip, inputs --> chip_figures: readings of ADCs, states of cells, wires of a tile --------------------+
                                                                                                          v
                 charts, chip_charts: figures of plotly.js (figures) <-- sections: what is there, and the commands
                                                                             |     that would add the rest
                                                                             v
                             report.report --> page (page.html, .css, .js): HTML with everything in it --> a file

What a chart shows is prepared where the chart of matplotlib is (``memrix.studies.study_charts``, ``layer_charts``,
``cost_chart``, ``memrix.asr.charts``); ``charts`` draws the same. Tables are those that results show in notebooks.
"""
