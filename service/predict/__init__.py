"""``pneumonia predict``: images from files, answers as lines, without a server.

It may import the fields of an answer and everything below HTTP, never the web framework.
`inputs` finds the images, `reading` and `score` answer for one, `engine` for many, `output` writes
the lines. With many machines `storage` finds the images, `ray_engine` answers, `parquet` writes.
"""
