"""What is fitted: scikit-learn estimators, and the recipe of all that can be chosen of them."""
