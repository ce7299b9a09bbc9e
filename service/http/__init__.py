"""The REST API: requests in, answers and problems out.

Only this package and ``process`` import the web framework; nothing below imports from here.
"""
