"""When each word is said: the words of a text found in its speech, and subtitle files of them."""
