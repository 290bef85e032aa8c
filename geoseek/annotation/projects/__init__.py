"""What the server holds for us: projects, tasks, pictures, all under opaque names."""
