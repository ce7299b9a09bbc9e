"""The model and its answers: contract, session, decision.

It may import the imaging, never HTTP or the web framework: training and export use it too.
"""
