"""The yardstick of docs/yardstick.md: does a network read the lungs, or the device?

It may import training and the service's predictor; nothing that trains imports it.
"""
