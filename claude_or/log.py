"""Logging: one line of JSON per event into the session's file, with secrets masked. Nothing ever goes to the terminal."""
