"""The yardstick of docs/yardstick.md: does a network read the lungs, or the device?"""
