"""The process around the application: socket, signals, log lines.

Imports the application and the server (uvicorn); nothing but the command line imports from here.
"""
