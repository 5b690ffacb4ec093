import asyncio


async def inner():
    return 1


async def outer():
    return await inner()


print(asyncio.run(outer()))
