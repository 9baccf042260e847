"""Commands and renderers of the event stream; the only importer of click."""
