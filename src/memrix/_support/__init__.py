"""Tools that all packages share; they know nothing of cells, layers or models.

Settings and files go one way through them::

    TOML, JSON file --- documents ---> tree --- schema, building ---> dataclasses of settings
                                                validation: one wording for all checks
    tensors + description --- archive ---> one safetensors file, whole or not there

Random numbers have addresses (``streams``)::

    seed, use, name --- Stream.of ---> key --- Philox(key, index, draw) ---> 8 words --- normal_table ---> normals
                        SHA-256                                              of 16 bits

Where to look::

    streams, philox_kernels       streams in tensors, and as machine code of a CPU: the same bits
    random, stored_seeds          ``Seeds``, normal numbers of training; seeds in files
    compilation, threads          compiled loops (numba, if it is there); pieces of work side by side
    transforms                    whether a call is inside of torch.func or a trace
    torch_internals               names of torch that it does not promise, each with a fallback
    validation, wording           checks of single settings; values in messages
    schema, building, records     trees checked against dataclasses, all problems at once; plain tables
    documents, archive            text files; tensors in a file
    tables, notebooks, charts     results as text for a terminal, as HTML, as data frames; charts as files
    libraries                     libraries that may not be installed
    renamed                       former public names: each works for one more version and warns
    lazy, preset_names            names that are known before torch is imported
"""
