"""The job behind `semiuhpe predict`: sources in, a folder of pictures and tables out, which can be killed and gone on with."""
