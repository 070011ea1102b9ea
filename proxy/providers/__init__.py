"""Who runs models: the table of providers, their quirks as data, and the credentials they are called with."""
