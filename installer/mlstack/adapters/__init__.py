"""One file per outside thing, one importer per SDK; nothing else talks to the outside."""
