"""The landing page: a local web page that follows ``mlstack up``, one more consumer of the event stream.

``page`` is the side of the command; ``server`` and what it imports live in a thread of their own and are loaded there, so that
the run does not wait for them. What is shown is made in ``view``; ``guard`` says who may ask for what.
"""
