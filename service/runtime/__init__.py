"""What runs, how much at a time, and how well: admission, cost, CPUs, metrics.

May import the inference and the imaging below it, never HTTP or the web framework.
"""
