"""The site of docs/: its pages, its links, and the blocks of code in the documents."""
