"""Tools of maintainers, which need nothing but Python; no part of the package.

release    versions: what pyproject.toml, CHANGELOG.md, CITATION.cff and a tag say; the next one
dist       distributions: built, and installed in a clean virtual environment
sources    the files that distributions are built from
archives   what is in a wheel, and how large it may be
installed  what must work where a distribution is installed
"""
