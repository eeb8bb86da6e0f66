"""A challenge on somebody else's platform: what Codabench and EvalAI take, with this kit as the scorer."""
