"""Wire twins of google.ai.generativelanguage, the Gemini API: v1beta, of which v1 is a part."""
