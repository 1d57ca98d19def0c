"""The pages that people look at: what each shows, as templates and the values they get."""
