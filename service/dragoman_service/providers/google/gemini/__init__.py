"""Gemini: the Gemini API and Vertex AI's generateContent as an upstream."""
