"""What Hugging Face's hub takes of a system: package, model card, results in two forms."""
