"""Pages of the documentation site that code and settings write; ``docs/site_hooks.py`` adds them to the build.

documents   documents outside of docs/, and links between documents that work on GitHub and on the site
names       the public names of memrix, page by page, and whether their docstrings say everything
settings    every setting of a Hardware, and the presets
commands    the command line
"""
