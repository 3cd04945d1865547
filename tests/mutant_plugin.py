"""Puts a mutant's folder in front of the package that it is of, before anything imports it."""

import os

import execution

execution.__path__.insert(0, os.environ["MUTANT"])
