"""`dragoman chat`: a conversation with a model in the terminal, whose history is kept in this process alone."""
