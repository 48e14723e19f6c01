"""A student as a page for browsers: a static folder that draws photographs in styles and sends nothing anywhere."""
