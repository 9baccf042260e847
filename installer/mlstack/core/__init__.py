"""The pure core: no I/O, only the standard library, jinja2, yaml and pydantic."""
