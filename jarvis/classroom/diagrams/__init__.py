"""Drawings that a lesson cannot plot from data: one function per file, each returning Axes."""
