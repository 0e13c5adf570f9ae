"""The HTTP routes: what a request says, which model answers it, how the answer is written. No arithmetic."""
