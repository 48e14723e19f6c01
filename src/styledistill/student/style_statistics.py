"""What a style encoder measures, as numbers that its torch module and its ONNX graph share. No torch here."""

LEVELS = 8  # of the colors' distribution along each of PROJECTIONS
# Directions of RGB: channels, lightness, and the two axes of opponent colors.
PROJECTIONS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1 / 3, 1 / 3, 1 / 3), (0.5, -0.5, 0), (0.25, 0.25, -0.5))
EPSILON = 1e-5  # added to every variance before its root
