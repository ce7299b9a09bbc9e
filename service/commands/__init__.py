"""`pneumonia compare` and `pneumonia baseline`: what is asked before a model is served.

They may import everything below HTTP, never the web framework.
"""
