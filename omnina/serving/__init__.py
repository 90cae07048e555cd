"""A local page on which a checkpoint can be tried, and the same for programs, as JSON.

``requests`` checks what comes in, ``work`` does it step by step, ``turns`` gives each request its turn,
``app`` joins them to a web server, ``page/`` is what people see.
"""
