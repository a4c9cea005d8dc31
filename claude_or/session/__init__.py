"""One session: the child process, its environment, and everything that lives and dies with it."""
