"""A site as a CityLearn data set: layout, writer, reader."""
