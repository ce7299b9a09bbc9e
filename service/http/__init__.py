"""The REST API: requests in, answers and problems out.

Only this package and ``process`` import the web framework, and nothing below imports from here; it
may import all of ``runtime``, ``inference`` and ``imaging``. `schemas`, `problem_details` and what
they need leave the framework out, so that ``predict`` gives the same answers without it.
"""
