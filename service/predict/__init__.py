"""``pneumonia predict``: images from files, answers as lines, without a server.

`inputs` finds the images, `score` answers for one, `engine` for many, `output` writes the lines.
"""
