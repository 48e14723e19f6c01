"""Videos in a style: read, draw each frame, hold the drawing steady along the motion, write. No torch here.

Needs PyAV and OpenCV: `pip install 'styledistill[video]'`, or `pip install '.[video]'` in a clone's folder.
"""
