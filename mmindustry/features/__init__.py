"""Window -> Features: pictures, sound and text as arrays whose shapes the recipe fixes."""
