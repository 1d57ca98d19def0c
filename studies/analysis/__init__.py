"""The answer: techniques compared with honest statistics, features selected, figures, report."""
