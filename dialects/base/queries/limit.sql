LIMIT {{ limit }}
