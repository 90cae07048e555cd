"""One page that shows what a run did and how good the result is; ``report.html`` in its folder.

``run_files`` reads what the run left, ``charts`` and ``figures`` choose what is shown, ``svg`` draws,
``page`` fills the templates. Nothing here trains, reads a model or needs a network.
"""
