"""xAI's API as a server speaks it: requests are decoded, answers are encoded."""
