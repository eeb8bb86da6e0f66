"""An organiser's inbox without a server: a folder that workers share, and files that say all of its state."""
