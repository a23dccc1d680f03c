"""Cases other than the default run: further settings, the front of CO2 against peak, CityLearn's own KPIs."""
