"""The model and its answers: contract, session, decision.

Nothing here knows HTTP or the web framework: training and export use it too.
"""
