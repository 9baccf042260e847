"""mlstack: a local all-in-one machine-learning platform and its installer. Import nothing here: start-up must stay light."""

__version__ = "0.1.0"
