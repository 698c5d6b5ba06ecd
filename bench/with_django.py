"""`python -m bench.with_django <module> ...` runs a module that needs Django set up before it is read."""

import runpy
import sys

import django

if __name__ == "__main__":
    django.setup()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=False)
