"""How often an answer may be wrong, and how surely, for rules and for reports."""

# the error budget of `balanced` outside its uncertain band: at most this share of the pneumonia
# images lies below the band, at most this share of the normal ones above it
MISSED = 0.02
FALSE_ALARMS = 0.02
# the probability of the wrong side from which on an error counts as a confident one
CONFIDENT = 0.9
# images of each class below which nothing can be said of a model
FEWEST_IMAGES = 30
