# ruff: noqa: PT009
"""Classes of the library's own framework."""

import unittest
from unittest import mock

opened = []


class Database(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        opened.append("class")

    def setUp(self):
        self.addCleanup(opened.append, "cleaned")
        self.row = {"id": 1}

    def test_row(self):
        self.assertEqual(self.row["id"], 1)
        self.assertEqual(opened.count("class"), 1)

    def test_fails(self):
        self.assertDictEqual(self.row, {"id": 2})

    @unittest.skip("later")
    def test_skipped(self):
        self.fail()

    @unittest.expectedFailure
    def test_expected(self):
        self.fail()

    def test_subtests(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertLess(number, 2)

    def test_mock(self):
        with mock.patch("os.getcwd", return_value="/nowhere"):
            import os

            self.assertEqual(os.getcwd(), "/nowhere")


class Async(unittest.IsolatedAsyncioTestCase):
    async def test_runs(self):
        self.assertTrue(True)
