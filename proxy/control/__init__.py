"""The control plane: what is known of models and prices, and how it becomes a `World`."""
