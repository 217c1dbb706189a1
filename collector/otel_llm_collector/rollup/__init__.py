"""What calls add up to, kept beside them: the table `rollups`, made from whole files of `spans` and never changed."""
