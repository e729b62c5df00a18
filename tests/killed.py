"""`python killed.py POINT N script.py arguments...`: the script, which kills itself with signal 9.

POINT is `before:NAME` or `after:NAME`: the N-th time that a file of this name is about to appear, or has just done so;
or `within:NAME`, when half of its content is on disk under another name.
"""

import os
import runpy
import signal
import sys

point, count, script, *arguments = sys.argv[1:]
when, _, name = point.partition(":")
left = int(count)
replace = os.replace


def strike(name_now):
    global left
    left -= os.path.basename(name_now) == name
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def killing_replace(source, target):
    if when == "within":  # what was written whole is cut, as if the kill had come in the middle of it
        if os.path.basename(target) == name and left == 1:
            os.truncate(source, os.path.getsize(source) // 2)
        strike(target)
    if when == "before":
        strike(target)
    replace(source, target)
    if when == "after":
        strike(target)


os.replace = killing_replace
sys.argv = [script, *arguments]
sys.path.insert(0, os.path.dirname(script))
runpy.run_path(script, run_name="__main__")
