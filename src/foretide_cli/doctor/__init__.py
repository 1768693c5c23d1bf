"""`foretide doctor`: what is wrong with an installation, and how each fault is mended.

`gather` reads all there is to read into one value, `Observed`; each check is a function of that value that gives
findings; `examination` puts them together and `telling` prints them.
"""
